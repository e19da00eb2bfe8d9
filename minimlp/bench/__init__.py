"""What `minimlp bench` runs: kernels, the study's trainings and scaling, beside their peers.

Each competitor has a process to itself, for the thread pools of several libraries in one
process slow each other down.  The parent (processes.py) draws nothing and computes
nothing while it asks one process at a time (worker.py) for one timing.

competitors.py holds the coverage kernel once for each library, trainings.py the study
once for each, functions.py the public functions, problems.py their input and the true
result, ceilings.py what the machine can do, machine.py what it is; measure.py makes the
rows, tables.py the files, figures.py the figures.  gpu.py, gpu_ceilings.py and
measure_gpu.py are the same for a GPU.
"""
