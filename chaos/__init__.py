"""
The crash matrix: real workers, a real Valkey and a real sandbox, hurt on purpose, and judged from outside.

`script/chaos` runs it; `docs/explanation/crash-matrix.md` explains it. Production code holds no hooks for
any of this: `worker.py` and `submitter.py` wrap the seams of the real programs before they start.
"""
