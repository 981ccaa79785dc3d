"""Column names that announce a direct identifier, in the languages of the surveys that we know of.

A name is split into words (``RecipientLastName``, ``recipient_last_name`` and ``recipient last name`` are the same) and
accents are dropped. Phrases are looked for as whole words anywhere in the name; a phrase that means other things too
(``name``, ``ip``) only where it is the whole name. What the column holds decides in the end: ``phone`` with the values
landline and mobile identifies nobody. See ``polling.identifiers``.
"""

import re
import unicodedata

__all__ = ["announced", "words_of"]

_ANYWHERE: dict[str, str] = {
    "name": """
        first name, firstname, last name, lastname, full name, fullname, surname, forename, given name, family name,
        middle name, maiden name, fname, lname, respondent name, contact name, person name, name of respondent,
        vorname, nachname, familienname, zuname, vor und nachname,
        prenom, nom de famille, nom complet, nom et prenom, nom prenom,
        apellido, apellidos, nombre completo, nombre y apellidos, primer nombre, segundo apellido,
        cognome, nome e cognome, nome completo, sobrenome, apelido, primeiro nome,
        voornaam, achternaam, volledige naam, fornamn, efternamn, fornavn, etternavn, efternavn, fullt navn,
        etunimi, sukunimi, imie, nazwisko, imie i nazwisko, jmeno, prijmeni, keresztnev, vezeteknev,
        prenume, nume de familie, ad soyad, soyadi
        """,
    "email": """
        email, e mail, emails, mail address, email address, emailaddress, mailadresse, e mailadres, courriel,
        adresse mail, correo, correo electronico, posta elettronica, epost, e post, sahkoposti, adres email, e posta
        """,
    "phone": """
        phone, telephone, phone number, phonenumber, telephone number, mobile number, cell number, cell phone,
        cellphone, mobile phone, landline, msisdn, whatsapp, fax, telefon, telefonnummer, handynummer, rufnummer,
        mobilnummer, numero de telephone, tel portable, telefono, numero de telefono, movil, celular, cellulare,
        telefone, telemovel, telefoonnummer, telefoon, mobiel, telefonnumer, puhelin, puhelinnumero,
        numer telefonu, telefonszam
        """,
    "address": """
        street, street address, home address, postal address, mailing address, street name, house number, address line,
        address 1, address 2, address1, address2, addr1, strasse, hausnummer, anschrift, wohnadresse, adresse postale,
        rue, direccion, domicilio, calle, indirizzo, endereco, morada, logradouro, straatnaam, huisnummer, gatuadress,
        gateadresse, vejnavn, katuosoite, ulica, adres zamieszkania, nr domu,
        latitude, longitude, lat, lng, lon, gps, geolocation, geo location, coordinates, location latitude,
        location longitude
        """,
    "network": """
        ip address, ipaddress, ip addr, ip adresse, adresse ip, direccion ip, indirizzo ip, ip adres, ipv4, ipv6,
        mac address, mac addr, user ip, client ip, remote ip, remote addr
        """,
    "birth date": """
        birth date, birthdate, birthday, date of birth, birth day, dob, geburtsdatum, geburtstag, geb datum, gebdatum,
        date de naissance, date naissance, naissance, fecha de nacimiento, fecha nacimiento, nacimiento,
        data di nascita, data nascita, data de nascimento, data nascimento, dt nascimento, geboortedatum, fodelsedatum,
        fodselsdato, foedselsdato, fodselsdag, syntymaaika, data urodzenia, datum narozeni, szuletesi datum,
        data nasterii, dogum tarihi
        """,
    "postcode": """
        postcode, post code, postal code, postalcode, zip, zip code, zipcode, zip4, zip plus 4, postleitzahl, plz,
        code postal, codepostal, codigo postal, cod postal, codice postale, cep, postnummer, postnr, postinumero,
        kod pocztowy, psc, iranyitoszam, eircode, posta kodu
        """,
    "number": """
        ssn, social security number, social security, national insurance number, nino, national id, national id number,
        identity number, identity card, id card number, passport, passport number, driving licence, driver license,
        drivers license, tax id, taxpayer id, sozialversicherungsnummer, steuer id, steuernummer, personalausweis,
        ausweisnummer, reisepass, numero de securite sociale, numero securite sociale, nir, dni, nie, nif,
        codice fiscale, cpf, pesel, bsn, burgerservicenummer, personnummer, personnumer, fodselsnummer, cpr nummer,
        henkilotunnus, hetu, rodne cislo, cnp, tc kimlik no, aadhaar, aadhar,
        credit card, card number, iban, account number, bank account, kontonummer, kreditkarte
        """,
}
_WHOLE: dict[str, str] = {
    "name": "name, names, nom, nombre, nome, naam, namn, navn, nimi, respondent, nume, isim",
    "email": "mail",
    "phone": "tel, mobile, cell, handy, portable, gsm",
    "address": "address, addr, adresse, adres, adress, osoite",
    "network": "ip, mac",
    "number": "cpr",
}


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column name, lowercase and without accents."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return tuple(re.findall(r"[a-z0-9]+", plain.casefold()))


def announced(name: str) -> tuple[str, bool] | None:
    """The kind of identifier that a column name announces, and whether the words mean nothing else; or None."""
    words = words_of(name)
    if kind := _whole.get(" ".join(words)):
        return kind, False
    for start in range(len(words)):
        for length in range(min(_LONGEST, len(words) - start), 0, -1):
            if kind := _anywhere.get(" ".join(words[start : start + length])):
                return kind, True
    return None


def _phrases(table: dict[str, str]) -> dict[str, str]:
    return {phrase.strip(): kind for kind, phrases in table.items() for phrase in " ".join(phrases.split()).split(",")}


_anywhere, _whole = _phrases(_ANYWHERE), _phrases(_WHOLE)
_LONGEST = max(len(phrase.split()) for phrase in _anywhere)
