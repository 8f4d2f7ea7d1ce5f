"""What the decision loop remembers: in the ledger and the lake for the nights, in memory for a replay."""
