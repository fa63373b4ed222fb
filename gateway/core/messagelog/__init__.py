"""The message log as values: what one record is. Writing and reading it is the business of `gateway/messagelog/`."""
