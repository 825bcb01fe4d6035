# Read before the user's Makefile: make runs every recipe, as a whole, through `lamin_make.step`.
.ONESHELL:
SHELL := $(MAKE_PYTHON)
.SHELLFLAGS := -m lamin_make.step

define _newline


endef

# Expanded for each target, so that a recipe's process learns which step it is.
export MAKE_STEP_NAME = $(or $(STEP),$@)
export MAKE_STEP_TARGET = $@
export MAKE_STEP_INPUTS = $(foreach input,$^,$(input)$(_newline))
export MAKE_STEP_OUTPUTS = $(foreach output,$(or $(OUTPUTS),$@),$(output)$(_newline))
export MAKE_STEP_PARAMS = $(foreach name,$(PARAMS),$(name)=$($(name))$(_newline))
