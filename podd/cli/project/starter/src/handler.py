import runpod


def handler(job):
    """Called once for each job; what it returns is the job's output."""
    prompt = job["input"].get("prompt", "world")
    return {"text": f"hello {prompt}"}


runpod.serverless.start({"handler": handler})
