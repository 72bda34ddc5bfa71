"""REST v2, RunPod's control plane under /v2: one module for each of its nouns."""
