"""The same program's models later: a new table, a new column with an index, a column gone."""

from tortoise import fields
from tortoise.models import Model


class Note(Model):
    """Reworded, which changes nothing."""

    id = fields.UUIDField(primary_key=True)
    title = fields.CharField(max_length=50)
    body = fields.BinaryField(null=True)
    pinned_at = fields.DatetimeField(null=True)

    class Meta:
        table = "notes"
        indexes = (("pinned_at",),)


class Remark(Model):
    id = fields.UUIDField(primary_key=True)
    note: fields.ForeignKeyRelation[Note] = fields.ForeignKeyField("models.Note", related_name="remarks")

    class Meta:
        table = "remarks"


class Tag(Model):
    id = fields.UUIDField(primary_key=True)
    note: fields.ForeignKeyRelation[Note] = fields.ForeignKeyField("models.Note", related_name="tags", db_index=True)
    word = fields.CharField(max_length=20)

    class Meta:
        table = "tags"
        unique_together = (("note", "word"),)
