"""The witness role: cosigns checkpoints of logs that it watches, after checking that each continues the one before.

Rule: what it cosigned last is durable before the cosignature leaves, and check and store are one step. So it never cosigns two
histories of one log, and whoever shows somebody another history has a checkpoint that no honest witness cosigned.
"""
