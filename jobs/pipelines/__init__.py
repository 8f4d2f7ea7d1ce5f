"""What each pipeline brings along: its readers and its transform."""
