def test_x(served):
    import json
    rel = served.get("/v1/surveys/town/questions/rail/releases").json()["releases"][0]["id"]
    r = served.get(f"/v1/surveys/town/releases/{rel}/representation")
    d=r.json()
    print(r.status_code, r.text[:9000])
    print("\n".join(d["summary"]))
    r = served.get(f"/v1/surveys/town/releases/{rel}/representation?format=csv")
    print(r.text[:1500])
    assert 0
