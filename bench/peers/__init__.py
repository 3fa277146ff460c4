"""
What a user would take instead, one file a peer, each tuned as somebody who knows it would.

They run in environments of their own (`bench/requirements/`) and import nothing of the program. Whatever
could be chosen was chosen in their favour: early acknowledgements, no result store of the framework but one
HSET a job, bodies as ready-made texts, and no log line a request.
"""
