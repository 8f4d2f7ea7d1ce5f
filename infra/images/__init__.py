"""The container image of every service and job, and what docker-compose.yaml needs beside it."""
