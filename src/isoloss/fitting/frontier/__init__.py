"""The compute-optimal frontier read off the runs, without a law of N and D."""
