"""A sandbox host that speaks Daytona's API, for people without a Daytona account.

One port serves the control plane (`/api`), the toolbox of each sandbox (`/toolbox/<id>`) and
previews (by host name). Each sandbox is a bubblewrap namespace with a private network, process
tree, home and user; it is made from a snapshot, a root with Hermes prepared once and mounted
read-only. Everything that a restart must find again is in one folder.
"""
