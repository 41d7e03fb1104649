"""Layers that compute several networks' layers of one kind at once; what a `Stack` is made of.

The members' records lie one after the other along the batch axis: every layer takes float
[members * n, ...] and gives [members * n, ...], each member's records by its own weights.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from adaptd.space.channel_major import ChannelNorm1d, PointwiseConv1d, rows
from adaptd.space.depthwise import DepthwiseConv1d, depthwise_conv1d


def are_depthwise(members: Sequence[nn.Module]) -> bool:
    """Whether one layer computes them all, whatever their taps."""
    if not all(type(member) is DepthwiseConv1d and member.stride == 1 for member in members):
        return False
    weights = [cast(nn.Parameter, member.weight) for member in members]
    return len({(len(weight), weight.dtype, weight.device) for weight in weights}) == 1


class Layer(nn.Module, ABC):
    """One layer of all members."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members

    @abstractmethod
    def state_of(self, member: int) -> Mapping[str, Tensor]:
        """A member's own parameters and buffers, by their names in its layer."""


def stacked_layer(members: Sequence[nn.Module], *, have_one_frame: bool) -> Layer:
    """The quickest layer that computes what the members' modules do, with their weights.

    have_one_frame: whether the modules differ in values alone.
    """
    first = members[0]
    if are_depthwise(members):
        return _Depthwise(cast(Sequence[DepthwiseConv1d], members))
    # A forward hook is a plain attribute, and so are padding modes: only what is usual is replaced.
    if have_one_frame and not first._forward_hooks and not first._forward_pre_hooks:
        if isinstance(first, nn.BatchNorm1d) and _is_usual_norm(first):
            return _Norm(cast(Sequence[nn.BatchNorm1d], members))
        if isinstance(first, nn.Conv1d) and _is_usual_conv(first):
            return _Conv(cast(Sequence[nn.Conv1d], members))
        if type(first) is nn.Linear:
            return _Linear(cast(Sequence[nn.Linear], members))
    return Loop(members)


class Loop(Layer):
    """Each member's own module on its own records: from tensors to one tensor."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__(len(members))
        self.modules_of_members = nn.ModuleList(copy.deepcopy(member) for member in members)

    def forward(self, *inputs: Tensor) -> Tensor:
        chunks = zip(*(tensor.chunk(self.members) for tensor in inputs), strict=True)
        outcomes = [
            module(*chunk) for module, chunk in zip(self.modules_of_members, chunks, strict=True)
        ]
        return torch.cat(outcomes)

    def state_of(self, member: int) -> Mapping[str, Tensor]:
        module = self.modules_of_members[member]
        return {**dict(module.named_parameters()), **dict(module.named_buffers())}


class _Stacked(Layer):
    """A layer whose parameters and buffers hold those of all members along one axis."""

    def __init__(self, members: Sequence[nn.Module], *, axis: int) -> None:
        super().__init__(len(members))
        self.axis = axis
        states = [member.state_dict() for member in members]
        for name, _ in members[0].named_parameters():
            stacked = torch.stack([state[name] for state in states], axis)
            self.register_parameter(name, nn.Parameter(stacked))
        for name, _ in members[0].named_buffers():
            self.register_buffer(name, torch.stack([state[name] for state in states], axis))

    def state_of(self, member: int) -> Mapping[str, Tensor]:
        return {
            name: tensor.select(self.axis, member)
            for name, tensor in (*self.named_parameters(), *self.named_buffers())
        }


class _Depthwise(Layer):
    """Depthwise convolutions with each member's own taps."""

    mask: Tensor

    def __init__(self, members: Sequence[DepthwiseConv1d]) -> None:
        super().__init__(len(members))
        self.own = [tuple(place for (place,) in member.lattice.positions) for member in members]
        self.offsets = tuple(sorted({offset for own in self.own for offset in own}))
        self.places = [
            torch.tensor([self.offsets.index(offset) for offset in own]) for own in self.own
        ]
        first = members[0].weight
        # [channels, members, offsets], and where a member has a tap.
        weight = first.new_zeros(len(first), len(members), len(self.offsets))
        mask = torch.zeros_like(weight[0])
        for number, (member, places) in enumerate(zip(members, self.places, strict=True)):
            weight[:, number, places] = member.weight.detach().squeeze(1)
            mask[number, places] = 1
        self.weight = nn.Parameter(weight)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        """float [members * n, channels, length] -> the same shape."""
        # Each member's channels are channels of their own. Where it has no tap, nothing is learnt.
        channels, members, _ = self.weight.shape
        apart = rows(x).view(channels * members, -1, x.shape[2]).transpose(0, 1)
        kernel = (self.weight * self.mask).flatten(0, 1)
        product = depthwise_conv1d(apart, kernel, self.offsets)
        return rows(product).view(channels, len(x), x.shape[2]).transpose(0, 1)

    def state_of(self, member: int) -> Mapping[str, Tensor]:
        return {"weight": self.weight[:, member, self.places[member]].unsqueeze(1)}


def _is_usual_conv(first: nn.Conv1d) -> bool:
    return (
        type(first) in (nn.Conv1d, PointwiseConv1d)
        and first.groups == 1
        and first.padding_mode == "zeros"
        and first.padding != "same"
    )


class _Conv(_Stacked):
    """Convolutions as matrix products."""

    weight: nn.Parameter

    def __init__(self, members: Sequence[nn.Conv1d]) -> None:
        super().__init__(members, axis=0)
        first = members[0]
        (self.taps,), (self.stride,), (self.dilation,) = (
            first.kernel_size,
            first.stride,
            first.dilation,
        )
        self.padding = 0 if isinstance(first.padding, str) else first.padding[0]
        self.has_bias = first.bias is not None

    def forward(self, x: Tensor) -> Tensor:
        """float [members * n, in_channels, length] -> [members * n, out_channels, new length]."""
        if self.padding:
            x = functional.pad(x, (self.padding, self.padding))
        if self.taps > 1 or self.stride > 1:
            # Where the first tap looks last.
            end = x.shape[2] - self.dilation * (self.taps - 1)
            starts = range(0, self.dilation * self.taps, self.dilation)
            columns = rows(x)
            shifted = torch.stack(
                [columns[:, :, start : start + end : self.stride] for start in starts], 1
            )
            x = shifted.flatten(0, 1).transpose(0, 1)
        product: Tensor = _Product.apply(self.weight, x)  # type: ignore[no-untyped-call]
        if not self.has_bias:
            return product
        bias = cast(Tensor, self.bias).repeat_interleave(len(x) // self.members, 0)
        return product + bias.unsqueeze(2)


class _Product(torch.autograd.Function):
    """weight [members, outputs, …] times x [members * n, inputs, length], member by member."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, x: Tensor) -> Tensor:
        columns = rows(x).view(x.shape[1], len(weight), -1)
        ctx.save_for_backward(weight, columns)
        outcome = _empty_like(x, weight.shape[1], x.shape[2])
        apart = rows(outcome).view(weight.shape[1], len(weight), -1)
        torch.bmm(weight.flatten(2), columns.transpose(0, 1), out=apart.transpose(0, 1))
        return outcome

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        weight, columns = ctx.saved_tensors
        apart = rows(gradient).view(gradient.shape[1], len(weight), -1)
        weight_gradient = torch.bmm(apart.transpose(0, 1), columns.permute(1, 2, 0))
        x_gradient = None
        if ctx.needs_input_grad[1]:
            x_gradient = _empty_like(gradient, len(columns), gradient.shape[2])
            torch.bmm(
                weight.flatten(2).transpose(1, 2),
                apart.transpose(0, 1),
                out=rows(x_gradient).view(columns.shape).transpose(0, 1),
            )
        return weight_gradient.view(weight.shape), x_gradient


class _Linear(_Stacked):
    """Linear layers."""

    weight: nn.Parameter

    def __init__(self, members: Sequence[nn.Linear]) -> None:
        super().__init__(members, axis=0)
        self.has_bias = members[0].bias is not None

    def forward(self, x: Tensor) -> Tensor:
        """float [members * n, …, inputs] -> [members * n, …, outputs]."""
        vectors = x.reshape(self.members, -1, x.shape[-1])
        product = vectors @ self.weight.transpose(1, 2)
        if self.has_bias:
            product = product + cast(Tensor, self.bias).unsqueeze(1)
        return product.view(*x.shape[:-1], -1)


def _is_usual_norm(first: nn.BatchNorm1d) -> bool:
    return (
        type(first) in (nn.BatchNorm1d, ChannelNorm1d)
        and first.training
        and first.affine
        and first.track_running_stats
        and first.momentum is not None
    )


class _Norm(_Stacked):
    """Batch norm in training mode."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, members: Sequence[nn.BatchNorm1d]) -> None:
        super().__init__(members, axis=-1)
        self.eps, self.momentum = members[0].eps, cast(float, members[0].momentum)

    def forward(self, x: Tensor) -> Tensor:
        """float [members * n, channels(, length)] -> the same shape."""
        count = x.numel() // self.weight.numel()
        if count == 1:
            raise ValueError("batch norm needs more than one value a channel in training")
        normalised, mean, variance = _Normalise.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, self.eps
        )
        unbiased = variance * (count / (count - 1))
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased, self.momentum)
        self.num_batches_tracked.add_(1)
        return cast(Tensor, normalised)


class _Normalise(torch.autograd.Function):
    """x [members * n, channels(, length)] to another mean, `bias`, and deviation, `weight`.

    Both: [channels, members], as the mean and the biased variance that x had and that are given
    too. What `torch.batch_norm` computes, whose statistics on CPU are not vectorised.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        columns = rows(x).view(weight.numel(), -1)
        mean = columns.mean(1, keepdim=True)
        outcome = _empty_like(x, *x.shape[1:])
        scaled = torch.sub(columns, mean, out=rows(outcome).view(columns.shape))
        variance = torch.linalg.vector_norm(scaled, dim=1).square_().div_(columns.shape[1])
        inverse = (variance + eps).rsqrt_()
        ctx.save_for_backward(columns, weight, mean, inverse)
        ctx.eps = eps
        scaled.mul_((inverse * weight.flatten())[:, None]).add_(bias.view(-1, 1))
        mean, variance = mean.view(weight.shape), variance.view(weight.shape)
        ctx.mark_non_differentiable(mean, variance)
        return outcome, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        columns, weight, mean, inverse = ctx.saved_tensors
        x_gradient, weight_gradient, bias_gradient = torch.ops.aten.native_batch_norm_backward(
            rows(gradient).view(1, *columns.shape),
            columns[None],
            weight.flatten(),
            None,
            None,
            mean.flatten(),
            inverse,
            True,
            ctx.eps,
            [True, True, True],
        )
        return (
            _channel_major(x_gradient, gradient.shape),
            weight_gradient.view(weight.shape),
            bias_gradient.view(weight.shape),
            None,
        )


def _empty_like(x: Tensor, *shape: int) -> Tensor:
    """[len(x), *shape], channel-major. What a function returns must be no view of its memory."""
    length = prod(shape[1:])
    inner = (1,) * (len(shape) - 1)
    return x.new_empty_strided((len(x), *shape), (length, len(x) * length, *inner))


def _channel_major(columns: Tensor, shape: Sequence[int]) -> Tensor:
    """[channels * members, n * length] in the shape [members * n, channels(, length)]."""
    return columns.view(shape[1], shape[0], *shape[2:]).transpose(0, 1)
