"""Other queues that need no server of their own, each in the way that its documentation calls best
for this work: installed into environments of their own, below a cache folder.
"""
