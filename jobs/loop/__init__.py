"""The decisions of a night, each in one place: choose days, fit, judge, promote, watch; a replay takes the same."""
