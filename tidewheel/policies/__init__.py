"""Policies are pure: from measurements to a verdict, without I/O and without a clock."""
