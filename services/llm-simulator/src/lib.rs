//! An OpenAI-compatible endpoint with faults, limits, latency and a prefix cache.
