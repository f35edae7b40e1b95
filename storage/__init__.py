"""What outlives the process: tables, sealing, files and the transactions that guard them."""
