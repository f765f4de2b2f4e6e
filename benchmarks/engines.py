"""Time all candidates of both engines on a session of 20,000 SPX quotes and a VIX chain.

Run from the checkout: python -m benchmarks.engines. The SPX chain is that of benchmarks.session_pricing, whose truth
is known, with weekly expirations added between 45 and 60 days.
"""
