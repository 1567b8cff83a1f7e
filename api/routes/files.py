"""A user's files, by a signed link. They are sent whole, as what they were stored as, and never as a page."""

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import Body, read_query
from api.principal import box_of

Word = Annotated[str, Field(max_length=128)]


class LinkQuery(Body):
    owner: Word
    expires: Annotated[str, Field(pattern=r"^\d{1,12}$")]
    signature: Word


async def fetch(request: Request) -> Response:
    box = box_of(request)
    file_id = request.path_params["file_id"]
    link = read_query(request, LinkQuery)
    box.links.check(link.owner, file_id, link.expires, link.signature)
    file = await box.files.fetch(link.owner, file_id)
    headers = {
        "Content-Disposition": f'attachment; filename="{file.id}"',
        "Content-Security-Policy": "sandbox",
        "Cache-Control": "private, no-store",
    }
    return Response(file.content, media_type=file.media_type, headers=headers)
