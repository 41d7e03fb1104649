"""The kernel of several operations."""

import pytest
import torch

from adaptd.space.cell import CellSite
from adaptd.space.convolution import Convolution, ConvSite
from adaptd.space.kernels import Depthwise
from adaptd.space.lattice import transplant
from adaptd.space.merged import MergedKernel
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.site import Site

CELL = CellSite(1, 6)


def merged(
    site: Site, texts: tuple[str, ...], *, deployed: LinearOperation, noise: float = 0.2
) -> tuple[MergedKernel, torch.Tensor]:
    operations = [parse_operation(text) for text in texts]
    linear = [one for one in operations if isinstance(one, LinearOperation)]
    assert len(linear) == len(texts)
    torch.manual_seed(0)
    inherited = deployed.kernel(site, deployed.kernel_module(site)).detach()
    kernel = MergedKernel(
        site,
        linear,
        inherited,
        deployed.lattice(site).positions,
        deployed=deployed,
        noise=noise,
        generator=torch.Generator().manual_seed(0),
    )
    return kernel, inherited


def test_all_weight_on_the_deployed_operation_gives_its_very_kernel() -> None:
    deployed = Depthwise(5)
    kernel, inherited = merged(CELL, ("dw k3 d1", "dw k5 d1", "avg k9"), deployed=deployed)
    expected = transplant(inherited, deployed.lattice(CELL).positions, kernel.support.positions)
    torch.testing.assert_close(kernel(torch.tensor([0.0, 1.0, 0.0])), expected, atol=0, rtol=0)


def test_it_is_linear_in_the_weights() -> None:
    site = ConvSite(6, 4, 1, (1, 1), (0, 0), (False, False), True)
    texts = ("conv k3 d1", "sepconv k3 d1", "lowconv r2 k5 d1", "conv k1x5 d2")
    kernel, _ = merged(site, texts, deployed=Convolution((3,)))
    weights = torch.tensor([0.4, 0.3, 0.2, 0.1])
    each = torch.stack([kernel(one) for one in torch.eye(4)])
    torch.testing.assert_close(kernel(weights), torch.einsum("c,coit->oit", weights, each))
    assert all(one.any() for one in each)


def test_no_operation_acts_or_learns_beyond_its_own_taps() -> None:
    texts = ("dw k3 d1", "dw k5 d4")
    kernel, _ = merged(CELL, texts, deployed=Depthwise(3))
    assert kernel.kernels is not None
    with torch.no_grad():
        kernel.kernels.fill_(1)
    for place, text in enumerate(texts):
        operation = parse_operation(text)
        assert isinstance(operation, LinearOperation)
        acting = kernel(torch.eye(2)[place])[0, 0].nonzero().flatten().tolist()
        own = operation.lattice(CELL).positions
        assert tuple(kernel.support.positions[one] for one in acting) == own
    kernel(torch.tensor([1.0, 0.0])).sum().backward()
    assert kernel.kernels.grad is not None
    assert int((kernel.kernels.grad != 0).sum()) == 6 * 3


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_noise_is_a_share_of_the_inherited_kernels_size(noise: float) -> None:
    site = CellSite(2, 64)
    kernel, inherited = merged(site, ("dw k3 d1", "dw k3 d2"), deployed=Depthwise(3), noise=noise)
    assert kernel.kernels is not None
    fresh = transplant(
        kernel.kernels[1].detach(),
        kernel.support.positions,
        Depthwise(3, 2).lattice(site).positions,
    )
    # But for the middle all its taps are new.
    added = fresh[..., [place for place in range(9) if place != 4]]
    size = inherited.square().mean().sqrt()
    # 512 normal numbers: their size is known to 3 %, five times which is allowed.
    assert float(added.square().mean().sqrt() / size) == pytest.approx(noise, rel=0.16)
    torch.testing.assert_close(
        fresh[..., 4], inherited[..., 4], atol=5 * noise * float(size), rtol=0
    )


def test_an_edge_whose_kernel_is_all_zero_gets_noise_too() -> None:
    operation = Depthwise(3)
    kernel = MergedKernel(
        CELL,
        (operation, Depthwise(5)),
        torch.zeros(6, 1, 3),
        operation.lattice(CELL).positions,
        deployed=operation,
        noise=0.1,
        generator=torch.Generator().manual_seed(0),
    )
    assert kernel.kernels is not None
    assert not kernel.kernels[0].any()
    assert kernel.kernels[1].all()


def test_operations_may_all_be_made_of_parts() -> None:
    site = ConvSite(6, 4, 1, (1,), (0,), (False,), False)
    kernel, _ = merged(site, ("sepconv k3 d1", "lowconv r2 k3 d1"), deployed=Convolution((3,)))
    assert kernel.kernels is None
    assert kernel(torch.tensor([0.5, 0.5])).shape == (4, 6, 3)


def test_the_source_decides() -> None:
    one, _ = merged(CELL, ("dw k3 d1", "dw k5 d1"), deployed=Depthwise(3))
    other, _ = merged(CELL, ("dw k3 d1", "dw k5 d1"), deployed=Depthwise(3))
    torch.testing.assert_close(one.state_dict(), other.state_dict(), atol=0, rtol=0)
