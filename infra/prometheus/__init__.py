"""What Prometheus scrapes of the platform, and the rules by which it records and alerts."""
