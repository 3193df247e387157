"""Addresses of the HTTP door: `path("sessionstore/", include("sessionstore_app.urls"))`."""

from __future__ import annotations

from django.urls import path

from sessionstore_app import views

app_name = "sessionstore_app"

urlpatterns = [
    path("rpc/", views.rpc, name="rpc"),
    path("openrpc.json", views.openrpc, name="openrpc"),
    path("methods/", views.methods, name="methods"),
    path("health/", views.health, name="health"),
    path("metrics/", views.metrics, name="metrics"),
]
