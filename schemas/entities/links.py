"""The relations between the entities (人房、人企、企房、人人关联), each with period and source."""

from schemas.model import Link

LINKS: tuple[Link, ...] = (
    Link("person_house", "人房关联", "person", "house",
         (("resident", "居住"), ("owner", "产权人"), ("tenant", "承租"))),
    Link("person_organisation", "人企关联", "person", "organisation",
         (("legal_representative", "法定代表人"), ("employee", "从业"), ("contact", "联系人"),
          ("party", "当事人"))),
    Link("organisation_house", "企房关联", "organisation", "house", (("occupies", "经营场所"), ("manages", "物业"))),
    Link("person_person", "人人关联", "person", "person", (("head", "户主"), ("guardian", "监护"))),
)  # fmt: skip
"""Every link row also has: left_id, right_id, relation, system_id, record_key, valid_from, valid_to."""
