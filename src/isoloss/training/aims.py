"""What a model is trained for: an objective, a family that suits it, and a corpus for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoloss.architecture import TransformerConfig, config_for_width, family_options
from isoloss.corpus import END_OF_TEXT, STANDARD_LIBRARY, prepare_corpus, prepare_pairs
from isoloss.corpus.opening import is_prepared, open_corpus
from isoloss.errors import UsageError
from isoloss.training.objectives import Objective, objective_from
from isoloss.training.objectives.windows import AnyCorpus

PAIRS = "sequence_to_sequence"
_OBJECTIVE_OF = {"decoder": "causal", "encoder": "masked", "encoder_decoder": "span_corruption"}
_FAMILY_OF = {"decoder": "isoloss", "encoder": "encoder", "encoder_decoder": "encoder-decoder"}


@dataclass(frozen=True, kw_only=True)
class Aim:
    """An objective and the family of models that is trained for it.

    Attributes:
        objective: what is predicted.
        family: a name of `isoloss.architecture.FAMILIES`.
        fields: names of the source and the target field, for pairs.
        n_layer: depth (of each side); the family's when None.
        options: fields of `TransformerConfig` over the family's.
    """

    objective: Objective
    family: str
    fields: tuple[str, str] | None = None
    n_layer: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def shape(self, d_model: int, *, vocab_size: int, context_length: int) -> TransformerConfig:
        """The member of the family that has this width.

        Raises:
            UsageError: sizes that do not divide, or a kind that the objective does not train.
        """
        shape = config_for_width(
            d_model,
            vocab_size=vocab_size,
            context_length=context_length,
            n_layer=self.n_layer,
            family=self.family,
            **self.options,
        )
        self.objective.check_kind(shape)
        return shape

    def check_kind(self) -> None:
        """Refuse a family of a kind that the objective does not train.

        Raises:
            UsageError: as said, with the families that would do.
        """
        self.objective.check_kind(self._small(16, 16))

    def _small(self, vocab_size: int, context_length: int) -> TransformerConfig:
        """A member of the family that always exists, whatever the options say of sizes."""
        return config_for_width(
            16, vocab_size=vocab_size, context_length=context_length, family=self.family
        )

    def prepare(
        self,
        sources: Sequence[str | Path],
        out: Path,
        *,
        vocab_size: int,
        context_length: int,
        text_field: str = "text",
        on_progress: Callable[[str], None] | None = None,
        **settings: Any,
    ) -> AnyCorpus:
        """The corpus, with the special tokens that the objective needs.

        Args:
            sources: as for `prepare_corpus`; of pairs as for `prepare_pairs`; or the folder of
                one prepared corpus, which is opened where it lies.
            out: folder of the corpus.
            vocab_size: ordinary entries of the tokeniser; the corpus's size counts special ones.
            context_length: tokens of a row (of each side).
            text_field: the field of rows that holds the text.
            on_progress: called with one line at each stage.
            settings: further ones of `prepare_corpus`, where text is read.

        Raises:
            UsageError: pairs to read, and no fields; or a prepared corpus of the other kind.
            NotFoundError, DataError: as `prepare_corpus`; also a prepared corpus without the
                special tokens of the objective.
        """
        if len(sources) == 1 and is_prepared(sources[0]):
            corpus = open_corpus(sources[0])
            small = self._small(corpus.vocab_size, context_length)
            self.objective.check(corpus, small)
            return corpus
        if self.objective.name == PAIRS and self.fields is None:
            raise UsageError(
                f"the objective {PAIRS!r} needs the names of two fields",
                hint="Give --fields SOURCE,TARGET, or a prepared corpus of pairs.",
            )
        if self.fields is not None:
            return prepare_pairs(
                sources,
                out,
                fields=self.fields,
                vocab_size=vocab_size,
                max_source_tokens=context_length,
                max_target_tokens=context_length,
                on_progress=on_progress,
            )
        return prepare_corpus(
            sources or [STANDARD_LIBRARY],
            out,
            vocab_size=vocab_size,
            text_field=text_field,
            special_tokens=[
                token
                for token in self.objective.special_tokens(context_length)
                if token != END_OF_TEXT  # every tokeniser has it
            ],
            on_progress=on_progress,
            **settings,
        )


def resolve_aim(
    objective: Objective | Mapping[str, Any] | str | None = None,
    *,
    family: str | None = None,
    fields: tuple[str, str] | None = None,
    n_layer: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Aim:
    """Objective and family, each from the other where it is not said.

    Args:
        objective: as `objective_from` takes; when None sequence to sequence where `fields` are
            given, else that of the family's kind (causal, masked, span corruption).
        family: isoloss's own of the objective's kind when None.
        fields: names of source and target, which sequence to sequence reads.
        n_layer: depth (of each side).
        options: fields of `TransformerConfig` over the family's.

    Raises:
        UsageError: no such objective or family, they do not belong together, or fields are
            given where text is read.

    >>> resolve_aim("masked").family, resolve_aim(family="bart").objective.name
    ('encoder', 'span_corruption')
    """
    if objective is None:
        kind = str(family_options(family or "isoloss").get("kind", "decoder"))
        objective = PAIRS if fields is not None else _OBJECTIVE_OF[kind]
    aim = objective if isinstance(objective, Objective) else objective_from(objective)
    if aim.name != PAIRS and fields is not None:
        raise UsageError(
            f"the objective {aim.name!r} takes no pairs of fields",
            hint="Give --fields SOURCE,TARGET for sequence to sequence, and only for it.",
        )
    chosen = Aim(
        objective=aim,
        family=family or _FAMILY_OF[aim.kind],
        fields=fields,
        n_layer=n_layer,
        options=_checked(options or {}),
    )
    chosen.check_kind()
    return chosen


def _checked(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options without the sizes that are asked for in their own words."""
    own = {"d_model", "vocab_size", "context_length", "n_layer", "kind", "family"} & options.keys()
    if own:
        raise UsageError(f"{', '.join(sorted(own))}: no options of a family, but settings of a run")
    return options
