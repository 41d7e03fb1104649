"""How a stream's alpha is shared out among all the tests of its life."""


def share_of(test: int) -> float:
    """The fraction of a stream's alpha that its test may spend: 1 / (n (n + 1)).

    test: 1 for the first. Returns 1/2, 1/6, 1/12, …: together 1 over an endless life, and after n
    of them 1 / (n + 1) is left. Raises ValueError below 1.

    So the chance that a stream *ever* acts on a false finding is at most its alpha, however its
    tests depend on each other, overlap, or are chosen in the light of earlier ones (Bonferroni;
    alpha spending). It costs little where evidence grows exponentially: the n-th test asks for an
    e-value n (n + 1) times as large, which is 2 log n more in its log, a few times as many records
    even after a hundred tests. Rules that win alpha back with each finding (alpha investing;
    e-LOND, Xu & Ramdas 2024, "Online multiple testing with e-values") would save log n of that and
    bound something weaker: the false share of the findings, in which a stream's true releases
    excuse a false one.
    Source: Foster & Stine 2008, "Alpha-investing: a procedure for sequential control of expected
    false discoveries", which sets it beside spending.
    """
    if test < 1:
        raise ValueError(f"tests are numbered from 1, got {test}")
    return 1 / (test * (test + 1))
