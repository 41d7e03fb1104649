"""Channel-major layers are the ordinary layers."""

import torch
from torch import nn

from adaptd.space.channel_major import ChannelNorm1d, PointwiseConv1d


def test_pointwise_convolution_is_torchs_in_value_and_gradient() -> None:
    layer = PointwiseConv1d(3, 5)
    plain = nn.Conv1d(3, 5, 1, bias=False)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(4, 3, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    outcome, expected = layer(x), plain(x)
    torch.testing.assert_close(outcome, expected)
    torch.testing.assert_close(
        torch.autograd.grad(outcome.square().sum(), (x, layer.weight)),
        torch.autograd.grad(expected.square().sum(), (x, plain.weight)),
    )


def test_norm_is_torchs_in_training_in_its_statistics_and_in_evaluation() -> None:
    layer, plain = ChannelNorm1d(3), nn.BatchNorm1d(3)
    x = 3 + 2 * torch.randn(8, 3, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), plain(x))
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())
    torch.testing.assert_close(layer.eval()(x), plain.eval()(x))


def test_the_layout_goes_through_without_a_copy() -> None:
    x = PointwiseConv1d(3, 5)(torch.randn(4, 3, 7))
    assert x.transpose(0, 1).is_contiguous()
    assert ChannelNorm1d(5)(torch.relu(x)).transpose(0, 1).is_contiguous()
