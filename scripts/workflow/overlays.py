"""Files and values that change config.yaml, each on top of those before it.

From first to last: config.yaml, the `configfile` of each profile, --configfile in the order of the command line,
--config. Snakemake lets --configfile take the place of a profile's; here it comes on top.
"""

import argparse
import contextlib
import copy
import io
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml
from snakemake.cli import get_argument_parser, parse_args
from snakemake.common import parse_key_value_arg
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

import cli
from workflow import catalogs, configuration


def in_order(arguments: list[str], configfiles: list[Path]) -> list[Path]:
    """The config files of a command line of Snakemake: those of its profiles, then its own.

    Args:
        arguments: the command line, without the program.
        configfiles: what Snakemake made of it; taken as they are where the command line names none.
    """
    # Snakemake takes the last of several --configfile; here all count.
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="extend", type=Path)
    named = parser.parse_known_args(arguments)[0].configfile or configfiles
    files = list(dict.fromkeys(path.absolute() for path in named))
    return [path for path in of_profiles(arguments) if path not in files] + files


def of_profiles(arguments: list[str]) -> list[Path]:
    """The config files that the profiles of a command line name, found and read as Snakemake does."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            parser, _ = parse_args(arguments)
    except SystemExit:  # not Snakemake's command line: a program that runs the workflow has put the files in order
        return []
    profiles = [get_argument_parser([str(profile)]) for profile in parser._default_config_files]
    return [path.absolute() for profile in profiles for path in profile.parse_args([]).configfile]


def merged(config: dict, configfiles: list[Path], entries: Iterable[str]) -> dict:
    """A configuration with files and --config entries on top; values of the entries are text until they are typed.

    Raises:
        cli.UserError: a file cannot be read.
    """
    config = copy.deepcopy(config)
    for path in configfiles:
        try:
            update_config(config, load_configfile(path))
        except (OSError, WorkflowError) as error:
            raise cli.UserError(f"{path}: cannot be read as a file of the configuration: {error}") from error
    for entry in entries:
        key, text = parse_key_value_arg(entry, "--config takes key=value")
        update_config(config, {key: _sections(text)})
    return config


def read(root: Path, configfiles: list[Path], entries: Iterable[str] = ()) -> dict:
    """The complete configuration of a checkout with files and --config entries on top, without a run of Snakemake.

    Raises:
        cli.UserError: a file cannot be read, or the first fault of the configuration.
    """
    config = merged(load_configfile(root / "config.yaml"), configfiles, entries)
    return configuration.complete(config, root / "config.schema.yaml")


def _sections(text: str) -> object:
    """The sections or the list that a value is in YAML's short form, or the value itself."""
    with contextlib.suppress(yaml.YAMLError):
        if text.startswith(("{", "[")):
            return yaml.load(text, yaml.BaseLoader)
    return text


def of_workflow(workflow, config: dict, root: Path) -> dict:
    """The complete configuration of a workflow; the files of its catalog are there where a run needs them.

    Args:
        workflow: Snakemake's.
        config: what its Snakefile has read; of a module that is given one, the whole configuration.
        root: the checkout with config.yaml.

    Raises:
        cli.UserError: a file cannot be read, the first fault of the configuration, or a file that no rule makes.
    """
    checked = configuration.complete(put_on_top(workflow, config, root), root / "config.schema.yaml")
    if workflow.check_envvars:  # which is not so where the rules are only read: snakemake --lint
        catalogs.check_files(checked)
    return checked


def put_on_top(workflow, config: dict, root: Path) -> dict:
    """The configuration of a workflow with all that its command line puts on top; its jobs get the same files."""
    if workflow.modifier.skip_configfile:
        return copy.deepcopy(config)
    settings = workflow.config_settings
    if workflow.is_main_process:
        with contextlib.chdir(workflow.rundir):  # paths are relative to it, not to --directory
            settings.configfiles = in_order(sys.argv[1:], settings.configfiles)
        workflow.configfiles += [path for path in settings.configfiles if path not in workflow.configfiles]
    # Snakemake has put the keys of the command line before those of config.yaml; the order stands in tables.
    below = load_configfile(root / "config.yaml")
    return merged(below, settings.configfiles, settings.config_args)
