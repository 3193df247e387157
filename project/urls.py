"""Addresses of the demo project."""

from django.contrib import admin
from django.urls import include, path

from project.views import DoorView, MeetingView, RightsView

urlpatterns = [
    path("", DoorView.as_view(), name="door"),
    path("meeting/<str:room>/", MeetingView.as_view(), name="meeting"),
    path("roles/", RightsView.as_view(), name="rights"),
    path("sessionstore/", include("sessionstore_app.urls")),
    path("admin/", admin.site.urls),
]
