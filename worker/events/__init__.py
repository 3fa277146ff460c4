"""What has happened to jobs, for logs, metrics, traces and Flower."""
