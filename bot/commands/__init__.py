"""The commands, one module each: `add_arguments(parser)` and `async main(args, settings) -> exit code`."""
