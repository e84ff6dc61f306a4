"""The past (过去某日): what a golden value was on a day, which claims there were, who had typed, seen and received it.

What was golden stands in `golden_history`, written when it was replaced. The claims of that day are read again from the landed
batches and survive by the same functions as then; where the two differ, the answer says so and keeps to what was written.
"""
