"""Speed and memory, as figures of one run on one machine; nothing here is a test."""
