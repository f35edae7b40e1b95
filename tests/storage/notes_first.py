"""Models of a small program, as they were first."""

from tortoise import fields
from tortoise.models import Model


class Note(Model):
    id = fields.UUIDField(primary_key=True)
    title = fields.CharField(max_length=50)

    class Meta:
        table = "notes"


class Remark(Model):
    id = fields.UUIDField(primary_key=True)
    note: fields.ForeignKeyRelation[Note] = fields.ForeignKeyField("models.Note", related_name="remarks")

    class Meta:
        table = "remarks"
