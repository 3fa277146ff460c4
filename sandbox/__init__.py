"""A local Jelou: the documented contract of `POST /v1/widget/create`, its quirks, and faults on demand."""
