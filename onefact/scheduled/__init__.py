"""The verbs as a scheduler calls them (调度): one call per task, named errors by what waiting can do, only counts come back.

`inventory` names the systems without loading an engine, `errors` says what is worth another try, `verbs` does the work,
`secrets` takes addresses and passwords from the scheduler's own store, `deadlines` writes down what came too late.
"""
