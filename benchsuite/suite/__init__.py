"""The side-by-side suite: ArrowRedis, what people would use instead, and what the machine allows."""
