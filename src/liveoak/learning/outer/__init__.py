"""The outer loop: lives in which an agent reads more than fits its window, decides what to learn, and sits an exam.

Knows material, tools, prices and how a life's score becomes credit. Knows nothing of files, servers or machines.
"""
