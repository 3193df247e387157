"""People, who are users: known by an address, with ids and rights that are not Django's, and no groups."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class People(BaseUserManager["Person"]):
    """Makes them."""

    def create_user(self, address: str, rank: str = "") -> Person:
        """A person of some rank."""
        person = self.model(address=address, rank=rank)
        person.set_password("of the person")
        person.save()
        return person


class Person(AbstractBaseUser):
    """Who may do what hangs on a rank."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    address = models.EmailField(unique=True)
    rank = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField(default=True)

    objects: ClassVar[People] = People()

    USERNAME_FIELD = "address"

    def get_all_permissions(self) -> set[str]:
        """What the rank permits."""
        return {"sessionstore_app.view_session"} if self.rank == "boss" else set()

    def has_perm(self, permission: str) -> bool:
        """Is that among it?"""
        return permission in self.get_all_permissions()


class Boss(Person):
    """The same people under another name."""

    class Meta:
        proxy = True
