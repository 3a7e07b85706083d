"""What the metrics of tasks are, in a sentence each, with their sources."""

from __future__ import annotations

_ANSWERS = "arXiv:1606.05250"
_DISTINCT = (
    "Different {n} of all texts together over all of their {n} (arXiv:1510.03055, which divides by"
    " words)."
)
_REPEATED = (
    "Share of a text's {n}-word sequences that stood in it before, mean over texts"
    " (arXiv:1908.04319)."
)
_ROUGE = "F-measure of shared {what}, best reference, mean over examples (rouge-score)."

DEFINITIONS: dict[str, str] = {
    "distinct_1": _DISTINCT.format(n="words"),
    "distinct_2": _DISTINCT.format(n="pairs of words"),
    "distinct_3": _DISTINCT.format(n="triples of words"),
    "seq_rep_2": _REPEATED.format(n=2),
    "seq_rep_3": _REPEATED.format(n=3),
    "seq_rep_4": _REPEATED.format(n=4),
    "longest_repeat": "Words of the longest phrase that stands twice in a text, mean over texts.",
    "loop_share": "Share of texts that end with a phrase of two or more words three times in a row"
    " (arXiv:1904.09751).",
    "self_bleu": "BLEU-4 of a text with all other texts as references, 0 to 1, mean over texts"
    " (arXiv:1802.01886); higher is more alike.",
    "zipf": "Minus the slope of log frequency over log rank of the words of all texts"
    " (arXiv:1904.09751); neither high nor low is good, like the human text is.",
    "memorised_share": "Share of a text's 13-word sequences that stand in the training text, mean"
    " over texts.",
    "words": "Words of a text, mean.",
    "ended_share": "Share of texts that the model ended itself.",
    "bleu": "Corpus BLEU by sacrebleu (arXiv:1804.08771), percent.",
    "chrf": "Corpus chrF2 by sacrebleu, percent.",
    "ter": "Edits over the words of the reference, by sacrebleu, percent.",
    "rouge1": _ROUGE.format(what="words"),
    "rouge2": _ROUGE.format(what="pairs of words"),
    "rouge_l": _ROUGE.format(what="longest common sequences"),
    "rouge_lsum": _ROUGE.format(what="longest common sequences of sentences"),
    "exact_match": f"Share of answers that equal a reference after SQuAD's clean-up ({_ANSWERS}).",
    "f1": f"Words shared by answer and best reference, F-measure, mean ({_ANSWERS}).",
    "acc": "Share of examples whose right choice (or word) is the likeliest.",
    "acc_norm": "The same by log-probability over the characters of the choice.",
    "acc_bytes": "The same by log-probability over the UTF-8 bytes of the choice.",
    "acc_token": "The same by log-probability over the tokens of the choice.",
    "answer_nats": "Surprise at the right answer, nats, mean; it moves without thresholds.",
    "brier_score": "Squared distance of the choices' probabilities from the truth, 0 to 2, mean.",
    "loss": "Cross-entropy over all tokens, nats.",
    "bits_per_byte": "Cross-entropy over the bytes of the UTF-8 text, bits.",
}
