"""`Contract`: what a release takes and gives."""

from dataclasses import asdict, dataclass
from typing import Any

from adaptd.architecture.canonical import digest_of

SCHEMA_VERSION = 1

# The opset that every exported graph states; ONNX Runtime 1.20 and later run it.
OPSET = 18


@dataclass(frozen=True)
class Contract:
    """What a release takes (features in order, shape, dtype) and gives (logits over classes in
    order).

    shape: of one record, without the batch axis; the graph takes float32 [n, *shape], raw values:
    the normaliser is inside. classes: label names in the order of the logits.
    """

    features: tuple[str, ...]
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    dtype: str = "float32"
    opset: int = OPSET

    @property
    def schema_digest(self) -> str:
        """Hex sha256 of what a record must look like; equal where two releases are
        interchangeable."""
        return digest_of(
            {
                "features": list(self.features),
                "shape": list(self.shape),
                "classes": list(self.classes),
                "dtype": self.dtype,
            }
        )

    def to_document(self) -> dict[str, Any]:
        """Plain lists and values, with `schema_version` and the schema digest."""
        return {
            "schema_version": SCHEMA_VERSION,
            **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()},
            "schema_digest": self.schema_digest,
        }

    @classmethod
    def from_document(cls, document: Any) -> "Contract":
        """The way back. Raises ValueError, with what is wrong, for anything else."""
        if not isinstance(document, dict):
            raise ValueError(f"a contract is an object, got {type(document).__name__}")
        if document.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"contract schema_version must be {SCHEMA_VERSION}, "
                f"got {document.get('schema_version')!r}"
            )
        try:
            contract = cls(
                features=tuple(str(name) for name in document["features"]),
                shape=tuple(int(size) for size in document["shape"]),
                classes=tuple(str(name) for name in document["classes"]),
                dtype=str(document["dtype"]),
                opset=int(document["opset"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a contract: {error!r}") from error
        if document.get("schema_digest") != contract.schema_digest:
            raise ValueError("the contract's schema_digest does not match its schema")
        return contract
