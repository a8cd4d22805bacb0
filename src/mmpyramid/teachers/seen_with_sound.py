"""What is seen where it is heard, though no classifier of pictures knows it.

A voice is that of a face in the picture, if there is one. Of some sounds the source is nearly
always in the picture, so that it can be inferred.

Axes: T segments of one second, C labels.
"""

from __future__ import annotations

import numpy as np

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError
from mmpyramid.teachers.vocabulary import Vocabulary


class SeenWithSound:
    """Scores of what is seen, from scores of what is heard.

    Args:
        vocabulary: C labels.
        has_faces: whether faces are looked for.
        infer_seen: whether it is inferred from sounds alone what is seen.

    Attributes:
        labels: those that can be seen so.
        inferred: those of them that are reported as seen only because they are heard.

    Raises:
        UserError: if it is to be inferred, and there is no label that can be.

    Example:
        >>> from mmpyramid.teachers import Entry
        >>> entries = {"Speech": Entry(face=True), "Blender": Entry(seen_if_heard=0.9)}
        >>> both = SeenWithSound(Vocabulary("home", entries), has_faces=True, infer_seen=True)
        >>> heard_TC, face_T = np.array([[0.8, 0.8]]), np.array([0.6])
        >>> both.scores(heard_TC, face_T).round(2).tolist()
        [[0.6, 0.72]]
    """

    def __init__(self, vocabulary: Vocabulary, *, has_faces: bool, infer_seen: bool) -> None:
        entries = vocabulary.entries.values()
        self._has_face_C = np.array([has_faces and entry.face for entry in entries])
        shares = [entry.seen_if_heard if infer_seen else 0.0 for entry in entries]
        self._share_C = np.array(shares, np.float32)
        if infer_seen and not self._share_C.any():
            raise UserError(
                "expected a vocabulary that lists by `seen_if_heard` what is nearly always seen "
                f"where it is heard, got {vocabulary.title}, which has no such label; leave out "
                "`--infer-seen`"
            )
        named = list(zip(vocabulary.labels, self._has_face_C, self._share_C, strict=True))
        self.labels = tuple(label for label, has_face, share in named if has_face or share)
        self.inferred = tuple(label for label, _, share in named if share)

    def scores(self, heard_TC: Array, face_T: Array) -> Array:
        """As sure as the label is heard, and the face is there; or as it is heard and seen then.

        Args:
            heard_TC: how sure each label is heard.
            face_T: how sure there is a face.

        Returns:
            (T, C), how sure each label is seen.
        """
        with_face_TC = np.minimum(heard_TC, face_T[:, None]) * self._has_face_C
        seen_TC: Array = np.maximum(with_face_TC, heard_TC * self._share_C)
        return seen_TC

    def notes(self) -> tuple[str, ...]:
        """What a reader of the timeline should know."""
        if not self.inferred:
            return ()
        names = "; ".join(label.replace("_", " ") for label in self.inferred)
        return (
            "What is marked as inferred was not seen: it is heard, and nearly always seen then\n"
            f"Labels that are inferred: {names}",
        )
