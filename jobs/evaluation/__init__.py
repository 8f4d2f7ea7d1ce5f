"""Comparing challenger and champion, and the evidence a reviewer sees."""
