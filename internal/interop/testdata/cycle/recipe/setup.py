from setuptools import setup

setup(
    name="cyclerecipe",
    version="1.0",
    py_modules=["cyclerecipe"],
    entry_points={"zc.buildout": ["default = cyclerecipe:Recipe"]},
)
