"""When things run and who may run them: ingest, refits, the clock, backtests.

The only package that knows both the store (``polling``) and the estimator (``mrp``).
"""
