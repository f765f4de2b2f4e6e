"""docs/rules.md, derived from the rules: what each holds on, reads and may be set to."""



OPENING = """# Rules

Every rule writes one row a session into `mart.rule_evaluation`. It is `passed` while it holds and `failed` while it
does not; `unknown` when an input it reads is missing; `informational` if it only advises (`holds` then says which).
`distance` is how far the measured value is from the threshold, in its own unit and positive while the rule holds.
`flip` names the inputs that, set to the values given, just turn it over. Parameters marked *disputed* are those on
which public descriptions of the method contradict each other. Written from the rules' own declarations by
`python -m flows.docs`.
"""
