"""One fast local API: nginx, which answers after a latency, fails a known share, and logs every POST."""
