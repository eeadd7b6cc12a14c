"""What is plugged in: versions, what each offers, failures with traceback, and a template to start from."""
