"""The trigger: is it time to train again?"""
