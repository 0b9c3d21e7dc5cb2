"""How two processes are started on one machine."""

LAUNCH = [
    # The launcher of several processes is the one for GPUs; what it starts falls back to gloo where there are none.
    # `--cpu`, the one that its name suggests, starts a single process.
    "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
    "--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no",
    "--num_cpu_threads_per_process", "1",
]  # fmt: skip
