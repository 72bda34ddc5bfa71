"""REST v1, RunPod's older control plane under /v1: one module for each of its nouns."""
