"""The two SOPs as data and pure functions: facts in, decisions out.

Standard library only; nothing here reads a clock or knows a database. Every public name
carries the id of the rule it implements, so that one can grep from SOP to code to test.
"""
