"""What suites expect beside a broker, as far as they use it."""
