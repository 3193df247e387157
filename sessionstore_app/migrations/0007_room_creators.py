

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sessionstore_app', '0006_credentials'),
    ]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='is_creator',
            field=models.BooleanField(db_default=False, default=False, verbose_name="is the room's creator"),
        ),
        migrations.AddField(
            model_name='room',
            name='creator',
            field=models.CharField(blank=True, db_default='', default='', help_text='Principal of who made it by being the first in it; empty: anonymous, or the server.', max_length=512, verbose_name='creator'),
        ),
        migrations.AddField(
            model_name='room',
            name='creator_session_id',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
    ]
